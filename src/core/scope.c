/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scope.h"

#include "base/clock.h"

#define MAX_WRAPPED_BYTES ((size_t)1024)

bool pn_scope_create(struct pn_db_conn *tx, struct pn_keyring *keyring, struct pn_uuid scope,
                     struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf wrapped = pn_buf_init(MAX_WRAPPED_BYTES);
    struct pn_query *q;

    if (!pn_keyring_new_scope(keyring, scope, &wrapped, err))
        return false;
    q = pn_query(
        tx,
        "INSERT INTO scope_keys (scope_id, wrapped, created_ms) VALUES ($scope, $wrapped, $now)");
    pn_bind_uuid(q, "$scope", scope);
    pn_bind_bytes(q, "$wrapped", pn_buf_str(&wrapped));
    pn_bind_int(q, "$now", pn_clock_wall_ms());
    return pn_query_run(q, NULL, err) || pn_within(err, "storing the key of a scope");
}

bool pn_scope_ready(struct pn_db_conn *conn, struct pn_keyring *keyring, struct pn_uuid scope,
                    struct pn_err *err)
{
    struct pn_arena *arena;
    struct pn_str wrapped = PN_NONE;
    struct pn_query *q;
    bool done;

    if (pn_keyring_has(keyring, scope))
        return true;
    arena = pn_arena_new(4 * MAX_WRAPPED_BYTES);
    q = pn_query(conn, "SELECT wrapped FROM scope_keys WHERE scope_id = $scope");
    pn_bind_uuid(q, "$scope", scope);
    if (pn_query_next(q))
        wrapped = pn_column_bytes(q, 0, arena);
    done = pn_query_end(q, err);
    if (done && wrapped.ptr == NULL)
        done = pn_fail(err, PN_INTERNAL, "Something went wrong") ||
               pn_within(err, "this scope has no key");
    if (done)
        done = pn_keyring_load(keyring, scope, wrapped, err);
    pn_arena_free(arena);
    return done;
}
