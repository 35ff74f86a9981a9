"""How many uses a URL has left, as strangers find out."""

from harness.downloads import Client


def assert_n_left(server, target, content, n_left):
    """So many strangers have the whole object, one after the other, and the next is told that the URL is used up."""
    strangers = [Client(server, target, content, f"127.9.0.{number}", f"stranger-{number}") for number in range(1, n_left + 2)]
    for stranger in strangers:
        stranger.get()
    assert [stranger.is_complete for stranger in strangers] == [True] * n_left + [False]
    assert (strangers[-1].statuses, strangers[-1].codes) == ([410], ["used_up"])
