/* SPDX-License-Identifier: Apache-2.0 */
#include "json/shape.h"

#include "json/writer.h"

static const void *member(const struct pn_field *field, const void *in)
{
    return (const char *)in + field->offset;
}

/* Frees the secrets of one member. */
static void drop_member(const struct pn_field *field, void *parsed)
{
    struct pn_list *list = parsed;

    if (field->kind == PN_KIND_SECRET)
        pn_secret_freep(parsed);
    else if (field->kind == PN_KIND_OBJECT)
        pn_shape_drop(field->shape, parsed);
    else if (field->kind == PN_KIND_OBJECTS && list->items != NULL) {
        for (size_t i = 0; i < list->count; i++)
            pn_shape_drop(field->shape, (char *)list->items + i * field->shape->size);
    }
}

void pn_shape_drop(const struct pn_shape *shape, void *parsed)
{
    for (size_t i = 0; i < shape->count; i++)
        drop_member(&shape->fields[i], (char *)parsed + shape->fields[i].offset);
}

static void print_strings(struct pn_writer *w, const char *name, const struct pn_strs *strings)
{
    pn_write_array(w, name);
    for (size_t i = 0; i < strings->count; i++)
        pn_write_str(w, NULL, strings->items[i]);
    pn_write_end(w);
}

static void print_map(struct pn_writer *w, const char *name, const struct pn_strs *pairs)
{
    pn_write_object(w, name);
    for (size_t i = 0; i + 1 < pairs->count; i += 2)
        pn_write_str_at(w, pairs->items[i], pairs->items[i + 1]);
    pn_write_end(w);
}

static void print_enum(struct pn_writer *w, const char *name, const struct pn_field *field,
                       int value)
{
    int count = 0;

    while (field->names[count] != NULL)
        count++;
    pn_assert(value < count);
    pn_write_text(w, name, value >= 0 ? field->names[value] : NULL);
}

static void print_members(struct pn_writer *w, const struct pn_shape *shape, const void *in);

static void print_object(struct pn_writer *w, const char *name, const struct pn_shape *shape,
                         const void *in)
{
    pn_write_object(w, name);
    print_members(w, shape, in);
    pn_write_end(w);
}

static void print_objects(struct pn_writer *w, const char *name, const struct pn_shape *shape,
                          const struct pn_list *list)
{
    pn_write_array(w, name);
    for (size_t i = 0; i < list->count; i++)
        print_object(w, NULL, shape, (const char *)list->items + i * shape->size);
    pn_write_end(w);
}

/* Would the member print as null, or as an empty list? */
static bool is_absent(const struct pn_field *field, const void *in)
{
    const void *value = member(field, in);

    if (field->has_offset != 0) /* it alone says so: a list may be there and empty */
        return !*(const bool *)((const char *)in + field->has_offset);
    switch (field->kind) {
    case PN_KIND_STRING:
    case PN_KIND_RAW: return ((const struct pn_str *)value)->ptr == NULL;
    case PN_KIND_UUID: return pn_uuid_is_zero(*(const struct pn_uuid *)value);
    case PN_KIND_TIME: return *(const int64_t *)value == 0;
    case PN_KIND_ENUM: return *(const int *)value < 0;
    case PN_KIND_STRINGS:
    case PN_KIND_MAP: return ((const struct pn_strs *)value)->count == 0;
    case PN_KIND_OBJECTS: return ((const struct pn_list *)value)->count == 0;
    case PN_KIND_SECRET:
    case PN_KIND_INT:
    case PN_KIND_BOOL:
    case PN_KIND_OBJECT: return false;
    }
    return false;
}

static void print_value(struct pn_writer *w, const char *name, const struct pn_field *field,
                        const void *value)
{
    switch (field->kind) {
    case PN_KIND_STRING: pn_write_str(w, name, *(const struct pn_str *)value); break;
    case PN_KIND_SECRET: break; /* never leaves */
    case PN_KIND_INT: pn_write_int(w, name, *(const int64_t *)value); break;
    case PN_KIND_BOOL: pn_write_bool(w, name, *(const bool *)value); break;
    case PN_KIND_UUID: pn_write_uuid(w, name, *(const struct pn_uuid *)value); break;
    case PN_KIND_TIME: pn_write_time(w, name, *(const int64_t *)value); break;
    case PN_KIND_ENUM: print_enum(w, name, field, *(const int *)value); break;
    case PN_KIND_STRINGS: print_strings(w, name, value); break;
    case PN_KIND_OBJECT: print_object(w, name, field->shape, value); break;
    case PN_KIND_OBJECTS: print_objects(w, name, field->shape, value); break;
    case PN_KIND_RAW: pn_write_raw(w, name, *(const struct pn_str *)value); break;
    case PN_KIND_MAP: print_map(w, name, value); break;
    }
}

/* What is left to say of the member's name. */
static const char *begin_member(struct pn_writer *w, const struct pn_field *field)
{
    if (field->quoted.ptr == NULL)
        return field->name;
    pn_write_quoted_name(w, field->quoted);
    return NULL;
}

static void print_members(struct pn_writer *w, const struct pn_shape *shape, const void *in)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct pn_field *field = &shape->fields[i];
        bool has = field->has_offset == 0 || *(const bool *)((const char *)in + field->has_offset);
        const char *name;

        if (field->kind == PN_KIND_SECRET || (field->omit_empty && is_absent(field, in)))
            continue;
        name = begin_member(w, field);
        if (has)
            print_value(w, name, field, member(field, in));
        else
            pn_write_null(w, name);
    }
}

void pn_shape_print(const struct pn_shape *shape, const void *in, struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);

    print_object(&w, NULL, shape, in);
}
