/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever renames or deletes a name that rules speak of is asked about all that lies below it. */
#include "secrets.h"

#include "core/lease/row.h"
#include "core/org/environment.h"
#include "core/secret/folder.h"
#include "core/secret/import.h"
#include "core/secret/tag.h"

#define FOLDERS "{'subject':'secret-folders','action':['read','create','edit','delete']}"
#define IMPORTS "{'subject':'secret-imports','action':['read','create','edit','delete']}"
#define ENVIRONMENTS "{'subject':'environments','action':['read','edit','delete']}"
#define TAGS "{'subject':'tags','action':['read','edit','delete']}"
#define SECRETS(actions_, conditions_) \
    "{'subject':'secrets','action':[" actions_ "],'conditions':{" conditions_ "}}"
#define EDIT "'describeSecret','edit'"

static struct pn_call owner(struct home *h)
{
    return home_as(h, h->first.token);
}

static struct pn_folder_at at(struct pn_uuid project, const char *environment, const char *path)
{
    return (struct pn_folder_at){ project, pn_str_from(environment), pn_str_from(path) };
}

static bool rename_to(struct pn_call *call, struct pn_uuid project, struct pn_uuid folder,
                      const char *name, struct pn_err *err)
{
    const struct pn_folder_change change = { .at = at(project, "dev", "/"),
                                             .id = folder,
                                             .name = pn_str_from(name) };
    struct pn_list out;

    return pn_folders_update(call, &change, 1, &out, err);
}

static bool delete_folder(struct pn_call *call, struct pn_uuid project, const char *name,
                          struct pn_err *err)
{
    const struct pn_folder_at root = at(project, "dev", "/");
    struct pn_folder out;

    return pn_folders_delete(call, &root, pn_str_from(name), &out, err);
}

static struct pn_uuid environment(struct pn_call *call, struct pn_uuid project, const char *slug)
{
    struct pn_environment_row row;
    struct pn_err err = { 0 };

    CHECK_OK(pn_environment_get_by_slug(call, project, pn_str_from(slug), &row, &err), err);
    return row.id;
}

static bool rename_environment(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                               const char *slug, struct pn_err *err)
{
    const struct pn_environment_change want = { .slug = pn_str_from(slug) };
    struct pn_environment_row out;

    return pn_environment_update(call, project, id, &want, &out, err);
}

static struct pn_uuid tag(struct pn_call *call, struct pn_uuid project, const char *slug)
{
    struct pn_tag out;
    struct pn_err err = { 0 };

    CHECK_OK(pn_tag_create(call, project, pn_str_from(slug), PN_LIT(""), &out, &err), err);
    return out.id;
}

static void put_tagged(struct pn_call *call, struct pn_uuid project, const char *path,
                       const char *name, struct pn_uuid id)
{
    struct pn_str text = pn_uuid_str(call->arena, id);
    struct pn_secrets_change c = { .secretKey = pn_str_from(name),
                                   .secretValue = PN_LIT("v"),
                                   .tagIds = { &text, 1 },
                                   .has_tagIds = true };
    const struct pn_secrets_batch batch = vault_batch(project, "dev", path, &c);
    struct pn_err err = { 0 };
    struct pn_list out;

    CHECK_OK(pn_secrets_create(call, &batch, &out, &err), err);
}

/* ---- folders ---- */

HOME_TEST(a_folder_is_renamed_by_who_may_edit_what_is_in_it)
{
    struct pn_call admin = owner(h), ann, bob;
    struct pn_uuid project = home_project(h, &admin, "p").id;
    struct pn_uuid pub = vault_folder(h, project, "dev", "/pub"),
                   none = vault_folder(h, project, "dev", "/none");
    struct pn_err err = { 0 };

    (void)vault_folder(h, project, "dev", "/pub/deep");
    vault_put(&admin, project, "/pub/deep", "A", "a");
    ann = vault_person(h, project, "ann@acme.test", "[" FOLDERS "]");
    CHECK_OK(rename_to(&ann, project, none, "nothing", &err), err); /* nothing is in it */
    CHECK_FAILS(rename_to(&ann, project, pub, "priv", &err), err, PERMISSION);
    CHECK_OK(rename_to(&ann, project, pub, "pub", &err), err); /* no other name: nothing changes */
    bob = vault_person(h, project, "bob@acme.test",
                       "[" FOLDERS "," SECRETS(EDIT, "'secretPath':{'$glob':'/pub/**'}") "]");
    CHECK_FAILS(rename_to(&bob, project, pub, "priv", &err), err, PERMISSION); /* not there */
    bob = vault_person(h, project, "cid@acme.test",
                       "[" FOLDERS "," SECRETS(EDIT, "'secretPath':{'$glob':'/p*/**'}") "]");
    CHECK_OK(rename_to(&bob, project, pub, "priv", &err), err);
    CHECK_FAILS(rename_to(&bob, project, pub, "other", &err), err, PERMISSION);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM folders WHERE path = '/priv/deep'"), 1);
}

HOME_TEST(nobody_renames_a_folder_into_their_sight)
{
    struct pn_call admin = owner(h), ann;
    struct pn_uuid project = home_project(h, &admin, "p").id;
    struct pn_uuid closed = vault_folder(h, project, "dev", "/closed");
    struct pn_err err = { 0 };

    vault_put(&admin, project, "/closed", "A", "a");
    ann = vault_person(h, project, "ann@acme.test",
                       "[" FOLDERS ",{'subject':'secrets','action':[" EDIT
                       "]}," SECRETS("'readValue'", "'secretPath':'/open'") "]");
    CHECK_FAILS(rename_to(&ann, project, closed, "open", &err), err, PERMISSION);
    CHECK_OK(rename_to(&ann, project, closed, "shut", &err), err);
}

HOME_TEST(a_folder_is_deleted_by_who_may_delete_what_is_in_it)
{
    struct pn_call admin = owner(h), ann;
    struct pn_uuid project = home_project(h, &admin, "p").id, held = tag(&admin, project, "held");
    struct pn_err err = { 0 };

    (void)vault_folder(h, project, "dev", "/a");
    (void)vault_folder(h, project, "dev", "/a/b");
    vault_put(&admin, project, "/a", "FREE", "v");
    put_tagged(&admin, project, "/a/b", "HELD", held);
    ann = vault_person(h, project, "ann@acme.test",
                       "[" FOLDERS ",{'subject':'secrets','action':['delete']},"
                       "{'subject':'secrets','action':['delete'],'inverted':true,"
                       "'conditions':{'secretTags':{'$in':['held']}}}]");
    CHECK_FAILS(delete_folder(&ann, project, "a", &err), err, PERMISSION);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM secrets"), 2);
    CHECK_EQ(home_events(h, "delete-folder"), 0);
    CHECK_OK(pn_tag_delete(&admin, project, held, &(struct pn_tag){ .color = PN_NONE }, &err), err);
    CHECK_OK(delete_folder(&ann, project, "a", &err), err);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM secrets"), 0);
}

/* Who may not know of a secret learns that there is one, but not what it is called. */
HOME_TEST(a_refusal_names_what_the_actor_may_know)
{
    struct pn_call admin = owner(h), ann;
    struct pn_uuid project = home_project(h, &admin, "p").id;
    struct pn_err err = { 0 };

    (void)vault_folder(h, project, "dev", "/a");
    vault_put(&admin, project, "/a", "NEEDLE", "v");
    ann = vault_person(h, project, "ann@acme.test", "[" FOLDERS "]");
    CHECK(!delete_folder(&ann, project, "a", &err));
    CHECK_EQ(err.code, PN_PERMISSION);
    CHECK(err.details.ptr == NULL);
    pn_err_clear(&err);
    ann = vault_person(h, project, "bob@acme.test",
                       "[" FOLDERS ",{'subject':'secrets','action':['describeSecret']}]");
    CHECK(!delete_folder(&ann, project, "a", &err));
    CHECK(pn_str_search(err.details, PN_LIT("NEEDLE")) >= 0);
    pn_err_clear(&err);
}

/* A hundred pairs each, which rules may name: asking about the last one takes no more than about the first. */
HOME_TEST(asking_about_many_takes_the_memory_of_one)
{
    struct pn_call admin = owner(h), ann;
    struct pn_uuid project = home_project(h, &admin, "p").id;
    struct pn_uuid folder = vault_folder(h, project, "dev", "/a");
    struct pn_secrets_pair pairs[PN_SECRETS_MAX_METADATA];
    struct pn_secrets_change changes[40];
    struct pn_secrets_batch batch = vault_batch(project, "dev", "/a", changes);
    struct pn_err err = { 0 };
    struct pn_list out;
    size_t used;

    for (size_t i = 0; i < PN_COUNT(pairs); i++)
        pairs[i] =
            (struct pn_secrets_pair){ pn_arena_printf(h->arena, "k%zu", i), PN_LIT("v"), false };
    for (size_t i = 0; i < PN_COUNT(changes); i++)
        changes[i] = (struct pn_secrets_change){ .secretKey = pn_arena_printf(h->arena, "S%zu", i),
                                                 .secretValue = PN_LIT("v"),
                                                 .secretMetadata = { pairs, PN_COUNT(pairs) },
                                                 .has_secretMetadata = true };
    batch.count = PN_COUNT(changes);
    CHECK_OK(pn_secrets_create(&admin, &batch, &out, &err), err);
    ann = vault_person(h, project, "ann@acme.test",
                       "[" FOLDERS "," SECRETS(EDIT, "'secretPath':{'$glob':'/**'}") "]");
    used = pn_arena_used(ann.arena);
    CHECK_OK(rename_to(&ann, project, folder, "b", &err), err);
    CHECK(pn_arena_used(ann.arena) - used < (size_t)64 << 10);
}

HOME_TEST(folders_and_imports_below_are_asked_about)
{
    struct pn_call admin = owner(h), ann;
    struct pn_uuid project = home_project(h, &admin, "p").id,
                   a = vault_folder(h, project, "dev", "/a");
    const struct pn_import_at into = { project, PN_LIT("dev"), PN_LIT("/a/b") };
    const struct pn_import_change from = { .environment = PN_LIT("prod"), .path = PN_LIT("/") };
    struct pn_import import;
    struct pn_err err = { 0 };

    (void)vault_folder(h, project, "dev", "/a/b");
    ann = vault_person(h, project, "ann@acme.test",
                       "[{'subject':'secret-folders','action':['edit','delete'],"
                       "'conditions':{'secretPath':'/'}}]");
    CHECK_FAILS(delete_folder(&ann, project, "a", &err), err, PERMISSION);
    CHECK_FAILS(rename_to(&ann, project, a, "c", &err), err, PERMISSION);
    ann = vault_person(h, project, "bob@acme.test", "[" FOLDERS "]");
    CHECK_OK(rename_to(&ann, project, a, "c", &err), err);
    CHECK_OK(rename_to(&ann, project, a, "a", &err), err);
    CHECK_OK(pn_import_create(&admin, &into, &from, &import, &err), err);
    CHECK_FAILS(delete_folder(&ann, project, "a", &err), err, PERMISSION);
    CHECK_FAILS(rename_to(&ann, project, a, "c", &err), err, PERMISSION);
    ann = vault_person(h, project, "cid@acme.test", "[" FOLDERS "," IMPORTS "]");
    CHECK_OK(rename_to(&ann, project, a, "c", &err), err);
    CHECK_OK(delete_folder(&ann, project, "c", &err), err);
}

struct dynamic {
    struct pn_uuid folder;
    struct pn_permit_pair metadata;
};

static bool add_dynamic(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct dynamic *d = context;
    const struct pn_dynamic_secret row = { .id = { { 7 } },
                                           .folderId = d->folder,
                                           .config_id = { { 8 } },
                                           .name = PN_LIT("deploy"),
                                           .version = 1,
                                           .defaultTTL = PN_LIT("1h"),
                                           .metadata = { &d->metadata, 1 } };

    return pn_dynamic_row_insert(tx, &row, err);
}

HOME_TEST(dynamic_secrets_below_are_asked_about)
{
    struct pn_call admin = owner(h), ann;
    struct pn_uuid project = home_project(h, &admin, "p").id,
                   a = vault_folder(h, project, "dev", "/a");
    struct dynamic d = { vault_folder(h, project, "dev", "/a/b"),
                         { PN_LIT("team"), PN_LIT("blue") } };
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(admin.db, add_dynamic, &d, &err), err);
    ann = vault_person(h, project, "ann@acme.test", "[" FOLDERS "]");
    CHECK_FAILS(delete_folder(&ann, project, "a", &err), err, PERMISSION);
    CHECK_FAILS(rename_to(&ann, project, a, "c", &err), err, PERMISSION);
    ann = vault_person(h, project, "bob@acme.test",
                       "[" FOLDERS ",{'subject':'dynamic-secrets','action':['edit-root-credential',"
                       "'delete-root-credential'],'conditions':{'metadata':{'$elemMatch':"
                       "{'key':'team','value':'red'}}}}]");
    CHECK_FAILS(delete_folder(&ann, project, "a", &err), err, PERMISSION);
    ann = vault_person(h, project, "cid@acme.test",
                       "[" FOLDERS ",{'subject':'dynamic-secrets','action':['edit-root-credential',"
                       "'delete-root-credential'],'conditions':{'secretPath':'/a/b','metadata':"
                       "{'$elemMatch':{'key':'team','value':'blue'}}}}]");
    CHECK_FAILS(rename_to(&ann, project, a, "c", &err), err, PERMISSION); /* not there */
    CHECK_OK(delete_folder(&ann, project, "a", &err), err);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM dynamic_secrets"), 0);
}

/* ---- environments ---- */

HOME_TEST(an_environment_is_renamed_and_deleted_as_all_that_is_in_it)
{
    struct pn_call admin = owner(h), ann;
    struct pn_uuid project = home_project(h, &admin, "p").id,
                   dev = environment(&admin, project, "dev");
    const struct pn_environment_change name = { .name = PN_LIT("Other"), .position = 2 };
    struct pn_environment_row out;
    struct pn_err err = { 0 };

    vault_put(&admin, project, "/", "A", "a");
    ann = vault_person(h, project, "ann@acme.test",
                       "[" ENVIRONMENTS "," SECRETS(EDIT, "'environment':'dev'") "]");
    CHECK_OK(pn_environment_update(&ann, project, dev, &name, &out, &err), err);
    CHECK_FAILS(rename_environment(&ann, project, dev, "free", &err), err, PERMISSION);
    CHECK_FAILS(pn_environment_delete(&ann, project, dev, &out, &err), err, PERMISSION);
    ann = vault_person(h, project, "bob@acme.test",
                       "[" ENVIRONMENTS "," SECRETS(EDIT, "'environment':{'$ne':'prod'}") "]");
    CHECK_OK(rename_environment(&ann, project, dev, "free", &err), err);
    ann = vault_person(h, project, "cid@acme.test",
                       "[" ENVIRONMENTS "," SECRETS("'delete'", "'environment':'free'") "]");
    CHECK_OK(pn_environment_delete(&ann, project, dev, &out, &err), err);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM secrets"), 0);
}

/* ---- tags ---- */

HOME_TEST(a_tag_is_renamed_and_deleted_as_it_is_given_and_taken)
{
    struct pn_call admin = owner(h), ann;
    struct pn_uuid project = home_project(h, &admin, "p").id, t = tag(&admin, project, "closed"),
                   unused = tag(&admin, project, "unused");
    struct pn_tag out;
    struct pn_err err = { 0 };

    put_tagged(&admin, project, "/", "A", t);
    ann = vault_person(h, project, "ann@acme.test",
                       "[" TAGS ",{'subject':'secrets','action':[" EDIT "]},"
                       "{'subject':'secrets','action':['readValue'],"
                       "'conditions':{'secretTags':{'$in':['open']}}}]");
    CHECK_FAILS(pn_tag_update(&ann, project, t, PN_LIT("open"), PN_NONE, &out, &err), err,
                PERMISSION);
    CHECK_OK(pn_tag_update(&ann, project, t, PN_LIT("shut"), PN_NONE, &out, &err), err);
    ann = vault_person(h, project, "bob@acme.test",
                       "[" TAGS "," SECRETS(EDIT, "'secretTags':{'$in':['shut']}") "]");
    CHECK_FAILS(pn_tag_update(&ann, project, t, PN_LIT("x"), PN_NONE, &out, &err), err, PERMISSION);
    CHECK_FAILS(pn_tag_delete(&ann, project, t, &out, &err), err, PERMISSION); /* would lose it */
    CHECK_OK(pn_tag_update(&ann, project, t, PN_LIT("shut"), PN_LIT("#fff"), &out, &err), err);
    CHECK_OK(pn_tag_delete(&ann, project, unused, &out, &err), err);
    CHECK_OK(pn_tag_delete(&admin, project, t, &out, &err), err);
}

/* "a%2Fb" of a URL: not a name, and not a way around the rights to what is between. */
HOME_TEST(a_folder_is_deleted_by_a_name_and_not_by_a_path)
{
    struct pn_call admin = owner(h);
    struct pn_uuid project = home_project(h, &admin, "p").id;
    struct pn_err err = { 0 };

    (void)vault_folder(h, project, "dev", "/a");
    (void)vault_folder(h, project, "dev", "/a/b");
    CHECK_FAILS(delete_folder(&admin, project, "a/b", &err), err, NOT_FOUND);
    CHECK_FAILS(delete_folder(&admin, project, "/a", &err), err, NOT_FOUND);
    CHECK_FAILS(delete_folder(&admin, project, "", &err), err, NOT_FOUND);
    CHECK_OK(delete_folder(&admin, project, "a", &err), err);
}

PN_TEST_MAIN(T(a_folder_is_renamed_by_who_may_edit_what_is_in_it),
             T(nobody_renames_a_folder_into_their_sight),
             T(a_folder_is_deleted_by_who_may_delete_what_is_in_it),
             T(a_refusal_names_what_the_actor_may_know),
             T(asking_about_many_takes_the_memory_of_one),
             T(folders_and_imports_below_are_asked_about), T(dynamic_secrets_below_are_asked_about),
             T(an_environment_is_renamed_and_deleted_as_all_that_is_in_it),
             T(a_tag_is_renamed_and_deleted_as_it_is_given_and_taken),
             T(a_folder_is_deleted_by_a_name_and_not_by_a_path))
