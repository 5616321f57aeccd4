"""What is queued and in flight for one storage, and whose turn it is.

Promises: everybody who has something queued gets on in turn, one block each, whatever the others have queued; within one's own,
first come, first served. A block may stand in two queues (moved up), or be gone from what it waits for: only its state counts.
"""

from collections import deque
from collections.abc import Iterator

from mountd.content.memory_tier import Block, Room, State


class Turns:
    """Queued blocks by whom they are for. State: `_queues`, none of them empty, whose turn comes first standing first."""

    __slots__ = ("_queues",)

    def __init__(self) -> None:
        self._queues: dict[object, deque[Block]] = {}

    def __bool__(self) -> bool:
        return bool(self._queues)

    def add(self, block: Block, whom: object) -> None:
        queue = self._queues.get(whom)
        if queue is None:
            self._queues[whom] = deque((block,))
        else:
            queue.append(block)

    def head(self) -> Block | None:
        """The one whose turn it is."""
        queues = self._queues
        while queues:
            whom = next(iter(queues))
            queue = queues[whom]
            while queue:
                if queue[0].state is State.QUEUED:
                    return queue[0]
                queue.popleft()
            del queues[whom]
        return None

    def take(self) -> None:
        """Takes out the head; whom it is for stands last now."""
        whom = next(iter(self._queues))
        queue = self._queues.pop(whom)
        queue.popleft()
        if queue:
            self._queues[whom] = queue

    def __iter__(self) -> Iterator[Block]:
        return (block for queue in self._queues.values() for block in queue if block.state is State.QUEUED)

    def clear(self) -> list[Block]:
        """Takes out all."""
        blocks = list(self)
        self._queues.clear()
        return blocks


class Lane:
    """One storage's. State: `ahead_bytes`, of blocks queued to be fetched ahead; `running`, fetches in flight."""

    __slots__ = ("ahead", "ahead_bytes", "room", "running", "wanted")

    def __init__(self, room: Room) -> None:
        self.room = room
        self.wanted = Turns()
        self.ahead = Turns()
        self.ahead_bytes = 0
        self.running = 0
