"""Who may do what, by the credentials the kernel vouches for (SO_PEERCRED), never by anything in the request.

root and the daemon's own uid: everything. Members of the socket's group: everything but reading a credential. Everybody
else: status only, and that only where the configuration lets others see it.
"""

import grp
import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from mountd.errors import ConfigurationInvalid, RoleRefused

SCOPE_KEY = "mountd.peer"


class Role(IntEnum):
    """Each includes those before it."""

    NOBODY = 0
    READER = 1
    ADMINISTRATOR = 2
    OWNER = 3


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end of a connection, as it was when it connected."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """Who is who. `group` is the socket's."""

    owner: int
    group: int
    status_for_others: bool = False

    def role(self, peer: Peer) -> Role:
        if peer.uid in (0, self.owner):
            return Role.OWNER
        if self.group == peer.gid or self.group in peer.groups:
            return Role.ADMINISTRATOR
        return Role.READER if self.status_for_others else Role.NOBODY


def policy(group: str, status_for_others: bool) -> Policy:
    """For this process; `group` is a name or a number, "" being the daemon's own."""
    return Policy(os.geteuid(), group_id(group), status_for_others)


def group_id(group: str) -> int:
    if not group:
        return os.getegid()
    if group.isdecimal():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigurationInvalid([f"control.group: there is no group {group!r}."]) from None


def require(scope: MutableMapping[str, Any], rules: Policy, wanted: Role) -> Peer:
    """The peer of a request, if it may; RoleRefused otherwise. A request without a peer is nobody's."""
    peer = scope.get(SCOPE_KEY)
    if not isinstance(peer, Peer):
        raise RoleRefused("Nobody vouches for this connection.")
    if rules.role(peer) < wanted:
        needs = "the daemon's user or root" if wanted is Role.OWNER else "the daemon's user, root or the socket's group"
        if wanted is Role.READER:
            needs = "the daemon's user, root or the socket's group (others only where control.status_for_others is set)"
        raise RoleRefused(f"uid {peer.uid} may not do this: it takes {needs}.", remedy=f"Ask as {needs}.")
    return peer
