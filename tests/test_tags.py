from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_zoo.tags import LONGEST, is_tag, tag_of


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("#ring", "#ring"),
        ("  #Ring\n", "#ring"),
        ("#Straße", "#strasse"),
        ("#anneau_bleuté-2", "#anneau_bleuté-2"),
        ("#anneau_bleute\u0301-2", "#anneau_bleuté-2"),  # the accent as a character of its own
        ("＃環", "#環"),  # as some keyboards write it
        ("#ΠΡΑΪΐ", "#πραϊΐ"),
        ("#3", "#3"),
        ("#" + "a" * (LONGEST - 1), "#" + "a" * (LONGEST - 1)),
    ],
)
def test_one_tag_is_written_one_way(text: str, tag: str) -> None:
    assert tag_of(text) == tag
    assert is_tag(tag)


@pytest.mark.parametrize(
    "text",
    [
        *("", "#", "ring", "##ring", "#two words", "#a#b", "#a,b", "#ring!", "#a\nb", "#a\0"),
        *("#<script>alert(1)</script>", "<b>#ring</b>", "#a'b", '#a"', "#a`", "#a.b", "#a/b"),
        *("#" + "a" * LONGEST, "#" + "ß" * 30, None, 7, b"#ring", ["#ring"]),
    ],
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="a tag "):
        tag_of(text)


@given(st.text(max_size=60) | st.text("#ab-_ßİ<é", max_size=60))
def test_a_tag_stays_what_it_is(text: str) -> None:
    for given_ in (text, f"#{text}"):
        try:
            tag = tag_of(given_)
        except ValueError:
            continue
        assert tag_of(tag) == tag and is_tag(tag)
        assert not set(tag) & set(" <>&'\"`\\/\n") and 2 <= len(tag) <= LONGEST
