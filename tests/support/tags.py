"""Tags of one track, as people write them."""

from hypothesis import strategies as st

PRE = st.sampled_from(
    ["", "-rc1", "-rc.2", "rc10", "b1", "-beta", "-SNAPSHOT", ".dev3", "-alpha.1.2"]
)

OF_ONE_TRACK = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 12), PRE, st.integers(0, 3)).map(
        lambda row: f"{row[0]}.{row[1]:02}{row[2]}-ls{row[3]}"
    ),
    min_size=2,
    max_size=6,
    unique=True,
)
