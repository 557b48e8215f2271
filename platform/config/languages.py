"""Which language a reader gets the pages in: the one chosen on a page, else what the browser asks for, else English.

The API is not translated: failures are known by their codes, and the pages word those in the reader's language.
"""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation.trans_real import parse_accept_lang_header

#: The languages that the front end's build makes pages in; the first is for who asks for none of them.
LANGUAGES = ("en", "es")

#: Set by the pages' language picker. It says nothing about who reads, so it needs no protection.
LANGUAGE_COOKIE = "mammoserve_language"


def page_language(request: HttpRequest) -> str:
    """One of LANGUAGES. A cookie or header that names none, or is malformed, is as good as none.

    A region is read as its language ("es-MX" as "es"); of equal weights the first named wins; q=0 refuses (RFC 9110 12.5.4).
    """
    chosen = request.COOKIES.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    for tag, weight in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        language = tag.partition("-")[0]
        if weight > 0 and language in LANGUAGES:
            return language
        if weight > 0 and tag == "*":
            break
    return LANGUAGES[0]
