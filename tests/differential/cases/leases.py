"""Leases of blobs."""

from tests.differential.case import LEASE, OTHER_LEASE, blob, case, head, lease_action, leased, put

BREAK = put("blob?comp=lease", {"x-ms-lease-action": "break"})
BREAK_NOW = put("blob?comp=lease", {"x-ms-lease-action": "break", "x-ms-lease-break-period": "0"})
BREAK_LATER = put("blob?comp=lease", {"x-ms-lease-action": "break", "x-ms-lease-break-period": "30"})


def acquire(**words: str) -> object:
    return put(
        "blob?comp=lease",
        {"x-ms-lease-action": "acquire"} | {f"x-ms-{k.replace('_', '-')}": v for k, v in words.items()},
    )


CASES = (
    case("lease a blob for ever", blob(), leased(), head("blob")),
    case("lease a blob for a time", blob(), leased(duration=15), head("blob")),
    case("lease a blob for too short", blob(), leased(duration=14)),
    case("lease a blob for too long", blob(), leased(duration=61)),
    case("lease a blob for nothing", blob(), leased(duration=0)),
    case("lease without a duration", blob(), acquire(proposed_lease_id=LEASE)),
    case("lease with an id that is none", blob(), acquire(lease_duration="15", proposed_lease_id="nonsense")),
    case("lease a missing blob", leased()),
    case("lease twice with one id", blob(), leased(), leased(duration=15), head("blob")),
    case("lease twice with two ids", blob(), leased(), leased(lease=OTHER_LEASE)),
    case("lease if it matches something else", blob(),
         put("blob?comp=lease", {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "15", "If-Match": '"0x8D0"'})),
    case("an action there is not", blob(), put("blob?comp=lease", {"x-ms-lease-action": "borrow"})),
    case("no action", blob(), put("blob?comp=lease")),
    case("renew", blob(), leased(duration=15), lease_action("renew")),
    case("renew another's", blob(), leased(), lease_action("renew", lease=OTHER_LEASE)),
    case("renew none", blob(), lease_action("renew")),
    case("change", blob(), leased(), lease_action("change", proposed_lease_id=OTHER_LEASE)),
    case("change another's", blob(), leased(),
         lease_action("change", lease=OTHER_LEASE, proposed_lease_id="33333333-3333-3333-3333-333333333333")),
    case("change none", blob(), lease_action("change", proposed_lease_id=OTHER_LEASE)),
    case("change, and again", blob(), leased(), lease_action("change", proposed_lease_id=OTHER_LEASE),
         lease_action("change", proposed_lease_id=OTHER_LEASE)),
    case("release", blob(), leased(), lease_action("release"), head("blob")),
    case("release another's", blob(), leased(), lease_action("release", lease=OTHER_LEASE)),
    case("release none", blob(), lease_action("release")),
    case("release and lease again", blob(), leased(), lease_action("release"), leased(lease=OTHER_LEASE)),
    case("break for ever", blob(), leased(), BREAK, head("blob")),
    case("break at once", blob(), leased(duration=15), BREAK_NOW, head("blob")),
    case("break a lease for ever later", blob(), leased(), BREAK_LATER, head("blob")),
    case("break none", blob(), BREAK),
    case("break twice", blob(), leased(), BREAK_NOW, BREAK),
    case("break for too long",
         blob(), leased(), put("blob?comp=lease", {"x-ms-lease-action": "break", "x-ms-lease-break-period": "61"})),
    case("renew what is broken", blob(), leased(), BREAK_NOW, lease_action("renew")),
    case("release what is broken", blob(), leased(), BREAK_NOW, lease_action("release"), head("blob")),
    case("lease what is broken", blob(), leased(), BREAK_NOW, leased(lease=OTHER_LEASE), head("blob")),
    case("lease what is breaking", blob(), leased(), BREAK_LATER, leased(lease=OTHER_LEASE)),
    case("lease what is breaking with its id", blob(), leased(), BREAK_LATER, leased()),
    case("write to what is breaking", blob(), leased(), BREAK_LATER, blob()),
    case("write to what is broken", blob(), leased(), BREAK_NOW, blob(), head("blob")),
    case("write to what is broken with its id", blob(), leased(), BREAK_NOW, blob(headers={"x-ms-lease-id": LEASE})),
)  # fmt: skip
