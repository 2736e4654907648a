/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_CLI_STAGE_H
#define PN_TEST_UNIT_CLI_STAGE_H

/* Commands against a pretend server. */
#include "cli/ran.h"
#include "client/home.h"
#include "client/host.h"

struct stage {
    struct home *home;
    struct host host;
};

static inline void up(struct stage *s, void **state)
{
    *s = (struct stage){ .home = *state };
    host_up(&s->host, "server", false);
    home_write(s->home, "ca.pem", pn_cstr(s->host.certs.arena, s->host.certs.root.pem), 0600);
    setenv("POSTERN_DOMAIN", s->host.url, 1);
    setenv("POSTERN_CA_FILE", home_file(s->home, "ca.pem"), 1);
    setenv("POSTERN_TOKEN", "token-1", 1);
    setenv("POSTERN_PROJECT_ID", "project-1", 1);
}

static inline void down(struct stage *s)
{
    host_down(&s->host);
}

/* Words, what the server says, and the last call, exit code and output that follow. */
struct scene {
    const char *words;
    struct host_answer answers[4];
    const char *last;
    int code;
    const char *out, *err;
};

static inline void stage_play(struct stage *s, const char *program, const struct scene *scene)
{
    size_t count = 0;
    const struct ran *r;

    while (count < PN_COUNT(scene->answers) && scene->answers[count].status != 0)
        count++;
    host_says(&s->host, scene->answers, count);
    r = ran_as(program, scene->words);
    CHECK_RAN(r, scene->code);
    CHECK_SAYS(r->out, scene->out);
    CHECK_SAYS(r->err, scene->err);
    if (scene->err[0] == '\0')
        CHECK_STR(pn_str_from(r->err), "");
    CHECK_STR(pn_str_from(s->host.last), scene->last);
    CHECK_EQ(host_calls(&s->host), count);
}

#endif
