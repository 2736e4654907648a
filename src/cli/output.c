/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/buf.h"
#include "cli/command.h"

/* More than what any answer, indented, can be: the sizes of answers are limited where they are read. */
#define MAX_OUTPUT_BYTES ((size_t)2 * 1024 * 1024 * 1024)
#define MAX_CELL_BYTES ((size_t)2000)
#define MAX_COLUMNS 12

/* A control character, of one byte or (U+0080…U+009F) of two: it would speak to the terminal. */
static bool is_control(struct pn_str step)
{
    uint8_t first = (uint8_t)step.ptr[0];

    return first < 0x20 || first == 0x7f ||
           (step.len == 2 && first == 0xc2 && (uint8_t)step.ptr[1] < 0xa0);
}

static size_t step_of(struct pn_str text)
{
    size_t len = pn_str_utf8_step(text);

    return len > 0 ? len : 1;
}

static void add_plain(struct pn_buf *out, struct pn_str text)
{
    while (text.len > 0) {
        struct pn_str step = pn_str_slice(text, 0, step_of(text));

        if (is_control(step) || pn_str_utf8_step(step) == 0)
            pn_buf_add_byte(out, '?');
        else
            pn_buf_add(out, step);
        text = pn_str_slice(text, step.len, text.len);
    }
}

/* Everything here may be a secret that was asked for: buffers are wiped, arenas wipe themselves. */

static void add_scalar(struct pn_buf *text, const struct pn_value *value)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(MAX_CELL_BYTES);

    if (pn_value_is_string(value)) {
        add_plain(text, pn_str_slice(pn_value_str(value), 0, MAX_CELL_BYTES));
    } else {
        pn_value_print(value, false, &json);
        add_plain(text, pn_buf_str(&json));
    }
}

static void add_list(struct pn_buf *text, const struct pn_value *list)
{
    for (size_t i = 0; i < pn_value_count(list) && !text->is_full; i++) {
        pn_buf_add_text(text, i > 0 ? ", " : "");
        add_scalar(text, pn_value_item(list, i));
    }
}

/* What a person reads in a cell: text without control characters, "a, b" of a list; nothing is '-'. */
static struct pn_str cell(struct pn_arena *arena, const struct pn_value *row, const char *path)
{
    const struct pn_value *value = pn_value_at(row, path);
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(2 * MAX_CELL_BYTES);

    if (value == NULL || pn_value_is_null(value))
        return PN_LIT("-");
    if (pn_value_is_array(value))
        add_list(&text, value);
    else
        add_scalar(&text, value);
    return text.len > 0 ? pn_arena_copy(arena, pn_buf_str(&text)) : PN_LIT("-");
}

/* Characters, which is columns for what names are written in. */
static size_t width_of(struct pn_str text)
{
    size_t width = 0;

    for (; text.len > 0; width++)
        text = pn_str_slice(text, step_of(text), text.len);
    return width;
}

static void print_row(const struct pn_str *cells, const size_t *width, size_t count)
{
    for (size_t c = 0; c < count; c++) {
        fwrite(cells[c].ptr, 1, cells[c].len, stdout);
        if (c + 1 < count)
            printf("%*s", (int)(width[c] - width_of(cells[c]) + 2), "");
    }
    putchar('\n');
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
    for (size_t i = 0; i < (rows + 1) * count; i++) {
        size_t r = i / count, c = i % count;
        const struct pn_value *row =
            r > 0 && pn_value_is_array(value) ? pn_value_item(value, r - 1) : value;

        cells[i] = r == 0 ? pn_str_from(columns[c].title) : cell(arena, row, columns[c].path);
        if (width_of(cells[i]) > width[c])
            width[c] = width_of(cells[i]);
    }
    for (size_t r = 0; r <= rows; r++)
        print_row(&cells[r * count], width, count);
}

void pn_cli_print_line(const struct pn_value *row, const struct pn_column *columns)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_COLUMNS * MAX_CELL_BYTES * 2);

    for (size_t c = 0; columns[c].title != NULL; c++)
        printf("%s%.*s", c > 0 ? "  " : "", PN_ARG(cell(arena, row, columns[c].path)));
    putchar('\n');
}

void pn_cli_print(const struct pn_cli *cli, const struct pn_value *value,
                  const struct pn_column *columns)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_OUTPUT_BYTES);

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
