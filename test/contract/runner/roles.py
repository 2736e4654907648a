# SPDX-License-Identifier: Apache-2.0
"""
Who holds which role, and what `postern routes` promises about them: every route is refused to every role whose
rules, as the server shows them, do not grant what the route asks for, and not refused to the others.
"""
import re
from dataclasses import dataclass, field

ASKED = re.compile(r"(org|project|org or project) ([\w-]+:[\w-]+)(, boundary [\w-]+)?(, or own)?")
OWN = re.compile(r"own, or (.*)")
PLAIN = {"-", "itself", "member", "org admin", "instance administrator"}


@dataclass
class Actor:
    """A person with one role: `grants` are the pairs subject, action of its rules, by scope."""
    name: str
    token: str
    scope: str
    slug: str
    belongs: bool  # to the project that the routes are about
    grants: dict = field(default_factory=lambda: {"org": set(), "project": set()})


@dataclass
class Asked:
    """
    The permission column, read. The boundary speaks of whom it is done to: who holds more than the caller
    (roles/boundary.json); the objects of these routes hold nothing.
    """
    plain: str = ""
    scope: str = ""
    pair: tuple = ()
    or_own: bool = False


def read_permission(text):
    own = OWN.fullmatch(text)
    match = ASKED.fullmatch(own[1] if own else text)
    if match:
        scope = "project" if match[1] == "project" else "org"  # without a project in the query it is the organization's
        return Asked(scope=scope, pair=tuple(match[2].split(":")), or_own=bool(own or match[4]))
    if text in PLAIN:
        return Asked(plain=text)
    raise ValueError(f"the permission [{text}] has a form that the test cannot read")


def read_rules(role):
    """The pairs that a role's rules grant; the built-in ones have neither conditions nor inverted rules."""
    pairs = set()
    for rule in role["permissions"]:
        if rule.get("conditions") or rule.get("inverted"):
            raise ValueError(f"role {role['slug']}: a rule that the test cannot read: {rule}")
        subjects = rule["subject"] if isinstance(rule["subject"], list) else [rule["subject"]]
        actions = rule["action"] if isinstance(rule["action"], list) else [rule["action"]]
        pairs |= {(subject, action) for subject in subjects for action in actions}
    return pairs


def make_actors(cast, project, elsewhere):
    """One person for each role of the organization, one for each of the project, one who administers another project."""
    make = cast.instance.make
    admin = cast.token("admin")

    def person(scope, role, where=None, grants=None):
        org_role = role["slug"] if scope == "org" else "no-access"
        made = cast.person(org_role)
        if where:
            make("POST", f"/api/v1/projects/{where}/memberships", {"emails": [made["email"]], "roleSlugs": [role["slug"]]}, admin)
        name = f"{role['slug']} of the {'organization' if scope == 'org' else 'project'}"
        actor = Actor(name, made["token"], scope, role["slug"], where == project)
        actor.grants[scope] = read_rules(role) if grants is None else grants
        return actor

    org_roles = make("GET", "/api/v1/organization/roles", token=admin)["data"]["roles"]
    project_roles = [make("GET", f"/api/v1/projects/{project}/roles/slug/{role['slug']}", token=admin)["role"]
                     for role in make("GET", f"/api/v1/projects/{project}/roles", token=admin)["roles"]]
    actors = [person("org", role) for role in org_roles]
    actors += [person("project", role, project) for role in project_roles]
    stranger = person("project", next(role for role in project_roles if role["slug"] == "admin"), elsewhere, set())
    stranger.name = "admin of another project"
    return actors + [stranger]


def is_granted(route, asked, actor, own_routes):
    """Whether the actor may: True, False, or None where everybody may who is logged in."""
    if asked.plain in ("-", "itself") or route in own_routes:
        return None
    if asked.plain == "instance administrator":
        return False
    if asked.plain == "org admin":
        return (actor.scope, actor.slug) == ("org", "admin")
    if asked.plain == "member":
        return True if "organization" in route else actor.belongs
    return asked.pair in actor.grants[asked.scope]
