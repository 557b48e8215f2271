"""`manage.py reencrypt_identities`: after a new first key in FIELD_ENCRYPTION_KEYS, before the old one is taken out."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.encryption import Undecryptable
from studies.identity import identities_reencrypt


class Command(BaseCommand):
    help = "Encrypt the kept identifiers of studies anew, with the newest key. May be run again."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = identities_reencrypt()
        except Undecryptable as error:
            raise CommandError(f"{error}; put the key it was written with back into FIELD_ENCRYPTION_KEYS") from error
        self.stdout.write(f"{done} identities are under the newest key")
