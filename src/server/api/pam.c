/* SPDX-License-Identifier: Apache-2.0 */
#include "server/api/pam.h"

#include "core/pam/probe.h"
#include "core/pam/rules.h"

#define URL_RULE "Use https://host[:port][/path] without user, query or fragment"

static const struct pn_field pn_pam_connection_fields[] = {
    PN_FIELD(pn_pam_connection, url, STRING),
    PN_FIELD(pn_pam_connection, sslRejectUnauthorized, BOOL),
    PN_FIELD(pn_pam_connection, sslCertificate, STRING),
};
const struct pn_shape pn_pam_connection_view = PN_SHAPE_OF(pn_pam_connection);

static const struct pn_field pn_pam_probe_result_fields[] = {
    PN_FIELD(pn_pam_probe_result, status, STRING, .doc = "ok, warning or skipped"),
    PN_FIELD(pn_pam_probe_result, message, STRING),
};
const struct pn_shape pn_pam_test_view = PN_SHAPE_OF(pn_pam_probe_result);

#define REST                                                                                   \
    PN_FIELD(pn_pam_details, sslRejectUnauthorized, BOOL,                                      \
             .has_offset = offsetof(struct pn_pam_details, has_reject), .fallback = true,      \
             .has_fallback = true),                                                            \
        PN_FIELD(                                                                              \
            pn_pam_details, sslCertificate, STRING, .is_nullable = true, .max = PN_PAM_CA_MAX, \
            .has_offset = offsetof(struct pn_pam_details, has_certificate), .doc = "PEM bundle")

static const struct pn_field new_fields[] = {
    PN_FIELD(pn_pam_details, url, STRING, .required = true, .min = 1, .max = PN_PAM_URL_MAX,
             .check = pn_pam_is_url, .rule = URL_RULE),
    REST,
};
const struct pn_shape pn_pam_new_details_shape = { "pn_pam_new_details",
                                                   sizeof(struct pn_pam_details), new_fields,
                                                   PN_COUNT(new_fields) };

static const struct pn_field pn_pam_details_fields[] = {
    PN_FIELD(pn_pam_details, url, STRING, .has_offset = offsetof(struct pn_pam_details, has_url),
             .min = 1, .max = PN_PAM_URL_MAX, .check = pn_pam_is_url, .rule = URL_RULE),
    REST,
};
const struct pn_shape pn_pam_details_shape = PN_SHAPE_OF(pn_pam_details);

struct pn_pam_cluster_change pn_pam_details_change(const struct pn_pam_details *details,
                                                   bool is_whole)
{
    return (struct pn_pam_cluster_change){
        .url = details->url,
        .has_url = is_whole || details->has_url,
        .is_verified = details->sslRejectUnauthorized,
        .has_verified = is_whole || details->has_reject,
        .ca_certificate = details->sslCertificate,
        .has_ca = is_whole || details->has_certificate,
    };
}

bool pn_pam_check_recording(struct pn_arena *arena, struct pn_uuid connection, struct pn_err *err)
{
    return pn_uuid_is_zero(connection) ||
           pn_pam_invalid(arena, "recordingConnectionId",
                          "Recordings are kept in the database, and nowhere else", err);
}
