/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_API_PAM_H
#define PN_SERVER_API_PAM_H

#include "core/pam/cluster.h"
#include "json/shape.h"

/* What requests and replies about resources, accounts and templates have in common. */
extern const struct pn_shape pn_pam_connection_view; /* struct pn_pam_connection */
extern const struct pn_shape pn_pam_test_view;       /* struct pn_pam_probe_result */

/* `connectionDetails` of a request. */
struct pn_pam_details {
    struct pn_str url, sslCertificate;
    bool sslRejectUnauthorized, has_url, has_certificate, has_reject;
};
extern const struct pn_shape pn_pam_details_shape;     /* of a change: what is given */
extern const struct pn_shape pn_pam_new_details_shape; /* of something new: the URL at least */

/* Of a change what it gives; of something new (`is_whole`) everything. */
struct pn_pam_cluster_change pn_pam_details_change(const struct pn_pam_details *details,
                                                   bool is_whole);

#define PN_PAM_SKIP_TEST(type)               \
    PN_FIELD(type, skipConnectionTest, BOOL, \
             .doc = "Store it although the cluster has not been tried through the gateway")
#define PN_PAM_NAME_RULE "Use letters, digits, '.', '_' and '-', beginning with a letter or digit"

/* Recordings are kept in the database, and nowhere else. PN_VALIDATION when another place is named. */
bool pn_pam_check_recording(struct pn_arena *arena, struct pn_uuid connection, struct pn_err *err)
    PN_CHECKED;

#endif
