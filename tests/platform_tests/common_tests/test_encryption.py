"""Encrypted columns: unreadable without the key, bound to their purpose, readable through a rotation."""

from __future__ import annotations

import pytest

from common.encryption import Undecryptable, text_decrypt, text_encrypt, text_reencrypt

OLD, NEW = "o" * 40, "n" * 40


def test_what_was_encrypted_comes_back_and_never_looks_the_same_twice():
    first, second = (text_encrypt("Größe 5", purpose="test.column") for _ in range(2))
    assert first != second
    assert [text_decrypt(value, purpose="test.column") for value in (first, second)] == ["Größe 5", "Größe 5"]


def test_a_value_is_no_value_of_another_column():
    with pytest.raises(Undecryptable):
        text_decrypt(text_encrypt("secret", purpose="test.one"), purpose="test.other")


def test_an_altered_value_is_refused():
    value = text_encrypt("secret", purpose="test.column")
    altered = value[:30] + ("A" if value[30] != "A" else "B") + value[31:]
    with pytest.raises(Undecryptable):
        text_decrypt(altered, purpose="test.column")


def test_keys_rotate_without_a_moment_of_unreadable_rows(settings):
    by_secret_key = text_encrypt("written first", purpose="test.column")
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    by_old = text_encrypt("written later", purpose="test.column")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert text_decrypt(by_secret_key, purpose="test.column") == "written first"
    moved = text_reencrypt(by_old, purpose="test.column")
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert text_decrypt(moved, purpose="test.column") == "written later"
    with pytest.raises(Undecryptable):
        text_decrypt(by_old, purpose="test.column")
