/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/state.h"

#include "base/encode.h"
#include "crypto/hash.h"
#include "json/shape.h"
#include "json/writer.h"
#include "sys/sys.h"

#include <stdio.h>
#include <string.h>

#define MAX_FILE_BYTES ((size_t)16384)
#define LOCK_WAIT_MS 2000

struct stored {
    struct pn_secret *accessToken;
    struct pn_uuid gatewayId;
    struct pn_str enrolledWith;
};
static const struct pn_field stored_fields[] = {
    PN_FIELD(stored, accessToken, SECRET, .required = true, .min = 1, .max = 4096),
    PN_FIELD(stored, gatewayId, UUID, .required = true),
    PN_FIELD(stored, enrolledWith, STRING, .required = true, .min = 64, .max = 64),
};

static const char *path_in(const struct pn_state *state, const char *name, char out[4096])
{
    (void)snprintf(out, 4096, "%s/%s", state->directory, name);
    return out;
}

static bool parse_file(struct pn_state *state, struct pn_str text, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(65536);
    pn_auto(pn_buf_drop) struct pn_buf digest = pn_buf_init(64);
    struct stored stored;

    if (!pn_shape_parse(PN_SHAPE(stored), arena, text, &stored, err))
        return false;
    state->access_token = stored.accessToken;
    state->gateway_id = stored.gatewayId;
    if (!pn_hex_decode(stored.enrolledWith, &digest) || digest.len != sizeof(state->used_digest))
        return pn_fail(err, PN_PROTOCOL, "enrolledWith is no digest");
    memcpy(state->used_digest, digest.ptr, sizeof(state->used_digest));
    return true;
}

static bool read_file(struct pn_state *state, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_FILE_BYTES);
    char path[4096];

    path_in(state, "gateway.json", path);
    if (!pn_file_exists(path))
        return true;
    if (!pn_file_is_private(path))
        return pn_fail(err, PN_IO,
                       "%s can be read by others: make it private (chmod 600) and renew the token",
                       path);
    if (!pn_file_read(path, MAX_FILE_BYTES, &text, err) ||
        !parse_file(state, pn_buf_str(&text), err))
        return pn_within(err, "%s", path);
    return true;
}

bool pn_state_open(const char *directory, struct pn_state *out, struct pn_err *err)
{
    char path[4096];

    *out = (struct pn_state){ .directory = pn_heap_copy(directory), .lock_fd = -1 };
    if (!pn_dir_make(directory, 0700, err)) {
        pn_state_close(out);
        return pn_within(err, "state directory");
    }
    out->lock_fd = pn_file_lock(path_in(out, "lock", path), LOCK_WAIT_MS, err);
    if (out->lock_fd < 0 || !read_file(out, err)) {
        bool is_locked = out->lock_fd >= 0;

        pn_state_close(out);
        return pn_within(
            err, is_locked ? "state directory" : "another gateway may be running on %s", directory);
    }
    return true;
}

void pn_state_close(struct pn_state *state)
{
    if (state->lock_fd >= 0)
        pn_file_unlock(state->lock_fd);
    pn_secret_free(state->access_token);
    pn_heap_free(state->directory);
    *state = (struct pn_state){ .lock_fd = -1 };
}

static void digest_of(const struct pn_secret *one_time, uint8_t out[32])
{
    pn_hash_sha256(pn_str_trim(pn_secret_reveal(one_time)), out);
}

bool pn_state_is_enrolled_with(const struct pn_state *state, const struct pn_secret *one_time)
{
    uint8_t digest[32];

    if (state->access_token == NULL)
        return false;
    if (one_time == NULL)
        return true;
    digest_of(one_time, digest);
    return pn_hash_equal(pn_str_of(digest, 32), pn_str_of(state->used_digest, 32));
}

bool pn_state_save(struct pn_state *state, const struct pn_secret *one_time,
                   struct pn_secret *access_token, struct pn_uuid gateway_id, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_FILE_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf hex = pn_buf_init(65);
    struct pn_writer w = pn_writer_of(&text);
    char path[4096];

    pn_secret_free(state->access_token);
    state->access_token = access_token;
    state->gateway_id = gateway_id;
    digest_of(one_time, state->used_digest);
    pn_hex_add(&hex, pn_str_of(state->used_digest, 32));
    pn_write_object(&w, NULL);
    pn_write_str(&w, "accessToken", pn_secret_reveal(access_token));
    pn_write_uuid(&w, "gatewayId", gateway_id);
    pn_write_str(&w, "enrolledWith", pn_buf_str(&hex));
    pn_write_end(&w);
    if (!pn_file_write(path_in(state, "gateway.json", path), pn_buf_str(&text), 0600, err))
        return pn_within(err, "the gateway is enrolled, but its token cannot be kept");
    return true;
}
