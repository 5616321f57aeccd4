"""An epoch in a known order through a real mount: what is asked of the storage, and when."""

import json
import random
import threading

FILES, SIZE, FOLDERS = 900, 60_000, 30
MEMORY = "memory: 24MiB"  # a sixth of a hundred files is ahead: the order has to be paced


def filled(emulator):
    container = emulator.container("data")
    choose = random.Random(1)
    truth = {f"train/c{number % FOLDERS:02d}/{number:04}.jpg": choose.randbytes(SIZE) for number in range(FILES)}
    for key, body in truth.items():
        container.put(key, body)
    order = list(truth)
    choose.shuffle(order)
    return truth, order


def started(node, emulator):
    node.serve(f"mapping_defaults: {{freshness: immutable}}\ncache: {{{MEMORY}, disk: 0}}\n").register(
        "data", emulator.endpoint, emulator.account, "data", emulator.key
    )
    return node.path / "data"


def handed_over(node, paths):
    order = node.folder / "order"
    order.write_text("".join(f"{path}\n" for path in paths))
    return node.control("prefetch", "--order", order, "--no-wait").stdout.strip()


def reads(emulator):
    """Keys whose bytes were asked for, in that order, and the bytes."""
    served = [request for request in emulator.requests if request.operation == "GetBlob"]
    return [request.key for request in served], sum(request.sent for request in served)


def test_a_shuffled_epoch_is_fetched_once_in_its_order_just_ahead_of_the_reader(node, emulator):
    truth, order = filled(emulator)
    root = started(node, emulator)
    emulator.requests.clear()
    task = handed_over(node, [root / key for key in order])
    for place, key in enumerate(order):
        assert (root / key).read_bytes() == truth[key]
        if place % 100 == 50:
            asked, _ = reads(emulator)
            assert len(asked) <= place + 1 + 12 * 1024 * 1024 // SIZE + 16
    asked, sent = reads(emulator)
    assert sorted(asked) == sorted(order)
    assert sent <= 1.05 * FILES * SIZE
    # Sixteen and more fly at a time, and pass one another; nothing waits longer than that for its turn.
    places = {key: place for place, key in enumerate(order)}
    assert max(abs(places[key] - turn) for turn, key in enumerate(asked)) <= 128
    ended = json.loads(node.control("--json", "tasks", "show", task, "--follow").stdout)
    assert (ended["state"], ended["order"]["read"]) == ("done", FILES)


def test_eight_workers_of_one_order_and_two_epochs(node, emulator):
    truth, order = filled(emulator)
    root = started(node, emulator)
    second = random.Random(2).sample(order, 300)
    paths = order[:300] + second
    emulator.requests.clear()
    task = handed_over(node, [f"/data/{key}" for key in paths])
    wrong = []

    def worker(number):
        for start in range(number * 8, len(paths), 64):
            for key in paths[start : start + 8]:
                if (root / key).read_bytes() != truth[key]:
                    wrong.append(key)

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    asked, sent = reads(emulator)
    assert set(asked) == set(paths)
    assert sent <= 1.05 * len(paths) * SIZE
    ended = json.loads(node.control("--json", "tasks", "show", task).stdout)
    assert ended["total"] == 600
    assert ended["order"]["read"] >= 590
