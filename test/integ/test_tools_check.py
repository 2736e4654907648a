"""tools/check finds each kind of fault in a tree that has one, and none in the same tree without."""
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
HEADER = "/* SPDX-License-Identifier: Apache-2.0 */\n#ifndef PN_NET_X_H\n#define PN_NET_X_H\n{}\n#endif\n"

# file (below the tree), its text, where the fault is reported, what the report says
FAULTS = {
    "layer": ("src/base/x.c", '#include "net/x.h"\n', 1, "base may not include net"),
    "library": ("src/net/x.c", "#include <sqlite3.h>\n", 1, "net may not include <sqlite3.h>"),
    "folder without a row": ("src/utils/x.c", "\n", 1, "utils has no row"),
    "banned call": ("src/net/x.c", "\n\nint f(char *p) { return atoi (p); }\n", 3, "atoi() is banned"),
    "malloc family": ("src/net/x.c", "void f(void *p) { free(p); }\n", 1, "free() is banned"),
    "memcmp where time tells": ("src/crypto/x.c", "int f = memcmp(a, b, 1);\n", 1, "memcmp() is banned"),
    "ifdef": ("src/net/x.c", "\n# ifdef __linux__\n# endif\n", 2, "#ifdef outside"),
    "foreign guard": ("src/net/x.h", "#ifndef X_H\n#define X_H\n#endif\n", 1, "#ifndef outside"),
    "unchecked": ("src/net/x.h", HEADER.format("struct pn_err;\n_Bool x;\n#define bool _Bool\nbool pn_f(struct pn_err *err);"), 7,
                  "pn_f can fail, but is not PN_CHECKED"),
    "error not last": ("src/net/x.h", HEADER.format("struct pn_err;\n#define PN_CHECKED\n#define bool _Bool\n"
                                                    "bool pn_f(struct pn_err *err, int x) PN_CHECKED;"), 7, "does not take its error last"),
    "header alone": ("src/net/x.h", HEADER.format("struct pn_x { size_t size; };"), 1, "does not compile alone"),
    "SQL outside": ("src/core/x.c", "int f = sqlite3_prepare_v2(a);\n", 1, "SQL outside db/"),
    "SQL not constant": ("src/core/x.c", "void f(void) { q = pn_query(c->tx, pn_cstr(arena, sql)); }\n", 1, "made at run time"),
    "SQL from a buffer": ("src/core/x.c", "void f(void) { q = pn_query(tx, text.ptr); }\n", 1, "made at run time"),
    "SQL put together": ("src/core/x.c", 'int f = snprintf(b, 9, "SELECT %s", c);\n', 1, "at run time"),
    "todo": ("src/net/x.c", "/* TO" "DO: later */\n", 1, "TO" "DO without"),
    "folder not on the map": ("src/relay/x.c", "\n", None, "ARCHITECTURE.md:1: does not name src/relay/"),
    "map of no folder": ("ARCHITECTURE.md", "src/core/ src/net/ src/base/ src/crypto/\n\nsrc/gone/\n", None,
                         "ARCHITECTURE.md:3: names src/gone/"),
    "JSON with a member twice": ("test/contract/x/x.json", '{"a": 1, "b": [{"c": 1, "a": 2, "c": 3}]}\n', 1, "an object has 'c' twice"),
    "not JSON": ("test/contract/x/x.json", '{\n"a": 1,}\n', 2, "is not JSON"),
    "routes": ("build/postern", "#!/bin/sh\necho GET /livez\n", None, "doc/api/routes.txt:1: differs"),
}
SOUND = {
    "text": ("src/net/x.c", 'const char *s = "malloc(1) atoi(2)"; /* free(x) sscanf( */ // system(x)\n'),
    "member": ("src/net/x.c", "void f(struct x *x) { x->free(x); x->ops.time(x); pn_time(x); }\n"),
    "allowed place": ("src/base/x.c", "void f(void *p) { free(p); }\n"),
    "cplusplus": ("src/net/x.c", "#ifdef __cplusplus\n#endif\n"),
    "fallible": ("src/net/x.h", HEADER.format(
        "struct pn_err;\n#define PN_CHECKED\n#define bool _Bool\nbool pn_f(int a,\n          struct pn_err *err) PN_CHECKED;\n"
        "bool pn_is(const struct pn_err *err);\nbool pn_x_refuse(struct pn_err *err, int code);\ntypedef bool pn_fn(struct pn_err *err);")),
    "constant SQL": ("src/core/x.c", 'void *f = pn_query(tx, "SELECT 1"); void *g = pn_query(conn, COLUMNS " FROM x");\nvoid *h = run(pn_query(tx, rows[kind].sql), f(x));\n'),
    "JSON": ("test/contract/x/x.json", '[{"a": 1}, {"a": {"a": 1}}]\n'),
    "todo of an issue": ("src/net/x.c", "/* TODO #41 */\n"),
}


@pytest.fixture
def tree(tmp_path):
    """A sound tree."""
    (tmp_path / "tools").mkdir()
    for name in ("check", "check-layers", "layers.txt"):
        shutil.copy(TOP / "tools" / name, tmp_path / "tools")
    for folder in ("core", "net", "base", "crypto"):
        (tmp_path / "src" / folder).mkdir(parents=True)
    (tmp_path / "ARCHITECTURE.md").write_text("src/core/ src/net/ src/base/ src/crypto/\n")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def check(tree, path, text):
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(text)
    if path == "build/postern":
        (tree / path).chmod(0o755)
    return subprocess.run([tree / "tools/check"], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", FAULTS)
def test_finds(tree, name):
    path, text, line, what = FAULTS[name]
    result = check(tree, path, text)
    assert result.returncode == 1, result
    place = "" if line is None else f"{path}:{line}: "
    assert any(fault.startswith(place) and what in fault for fault in result.stdout.splitlines()), result.stdout


@pytest.mark.parametrize("name", SOUND)
def test_lets_pass(tree, name):
    result = check(tree, *SOUND[name])
    assert (result.returncode, result.stdout) == (0, "")


def test_finds_a_symbol_of_two_libraries(tree):
    for folder, text in (("core", "int pn_twice(void) { return 1; }\nstatic int own;\nint *pn_core(void) { return &own; }\n"),
                         ("net", "int pn_twice(void) { return 2; }\nstatic int own;\nint *pn_net(void) { return &own; }\n")):
        built = tree / "build/src" / folder
        built.mkdir(parents=True)
        subprocess.run(["cc", "-x", "c", "-c", "-o", built / "x.o", "-"], input=text, text=True, check=True)
        subprocess.run(["ar", "rcsT", built / f"lib{folder}.a", built / "x.o"], check=True)
    result = subprocess.run([tree / "tools/check"], capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stdout) == (1, "build/src:1: pn_twice is defined by core and by net\n")
