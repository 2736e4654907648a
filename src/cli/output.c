/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/buf.h"
#include "cli/command.h"

#define MAX_OUTPUT_BYTES ((size_t)64 * 1024 * 1024)
#define MAX_COLUMNS 12

/* What a person reads in a cell: text as it is, control bytes as '?', nothing as '-'. */
static struct pn_str cell(struct pn_arena *arena, const struct pn_value *row, const char *path)
{
    const struct pn_value *value = path[0] != '\0' ? pn_value_at(row, path) : row;
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(4096);
    struct pn_str plain;

    if (value == NULL || pn_value_is_null(value))
        return PN_LIT("-");
    if (pn_value_is_string(value))
        pn_buf_add(&text, pn_str_slice(pn_value_str(value), 0, 2000));
    else
        pn_value_print(value, false, &text);
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            text.ptr[i] = '?';
    }
    plain = pn_buf_str(&text);
    return plain.len > 0 ? pn_arena_copy(arena, plain) : PN_LIT("-");
}

static void print_table(const struct pn_value *value, const struct pn_column *columns)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_OUTPUT_BYTES);
    size_t rows = pn_value_is_array(value) ? pn_value_count(value) : 1;
    size_t width[MAX_COLUMNS] = { 0 }, count = 0;
    struct pn_str *cells;

    while (count < MAX_COLUMNS && columns[count].title != NULL)
        count++;
    cells = pn_new(arena, struct pn_str, (rows + 1) * count);
    for (size_t r = 0; r <= rows; r++) {
        const struct pn_value *row = r == 0                     ? NULL
                                     : pn_value_is_array(value) ? pn_value_item(value, r - 1)
                                                                : value;

        for (size_t c = 0; c < count; c++) {
            struct pn_str text =
                r == 0 ? pn_str_from(columns[c].title) : cell(arena, row, columns[c].path);

            cells[r * count + c] = text;
            width[c] = text.len > width[c] ? text.len : width[c];
        }
    }
    for (size_t r = 0; r <= rows; r++) {
        for (size_t c = 0; c < count; c++)
            printf("%-*.*s%s", c + 1 < count ? (int)width[c] : 0, PN_ARG(cells[r * count + c]),
                   c + 1 < count ? "  " : "\n");
    }
}

void pn_cli_print(const struct pn_cli *cli, const struct pn_value *value,
                  const struct pn_column *columns)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_OUTPUT_BYTES);

    switch (pn_cli_output(cli)) {
    case PN_OUTPUT_TABLE: print_table(value, columns); return;
    case PN_OUTPUT_JSON:
        pn_value_print(value, true, &text);
        pn_buf_add_byte(&text, '\n');
        break;
    case PN_OUTPUT_YAML: pn_value_print_yaml(value, &text); break;
    }
    fwrite(text.ptr, 1, text.len, stdout);
}

bool pn_cli_print_json(const struct pn_cli *cli, struct pn_str json,
                       const struct pn_column *columns, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *value = NULL;

    if (!pn_value_parse(json, &value, err))
        return false;
    pn_cli_print(cli, value, columns);
    return true;
}
