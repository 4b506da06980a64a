"""How many images are read at once."""

from imagedrift_notifier.core.portion import MOST_HOSTS, MOST_IMAGES, portions


def test_images_of_few_hosts_are_read_together_in_their_order() -> None:
    """A portion has so many images at most, and no image is left out."""
    names = [f"app{number:04}" for number in range(2 * MOST_IMAGES + 1)]

    made = [*portions(names, dict.fromkeys(names, 3))]

    assert [len(each) for each in made] == [MOST_IMAGES, MOST_IMAGES, 1]
    assert [name for each in made for name in each] == names


def test_an_image_of_many_hosts_is_read_by_itself() -> None:
    """The hosts of a portion are bounded; an image with more than that has one of its own."""
    hosts = {"a": 1, "b": MOST_HOSTS - 1, "c": 1, "d": 10 * MOST_HOSTS, "e": 5}

    assert [*portions("abcdef", hosts)] == [["a", "b"], ["c"], ["d"], ["e", "f"]]
    assert [*portions([], hosts)] == []
