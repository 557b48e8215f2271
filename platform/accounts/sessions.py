"""Who sits behind a session, for every request of every open page: as few and as plain statements as that takes.

Both are looked up in the database each time, so that a sign-out or a deactivation counts from the next request on.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db import connections, router

from accounts.models import User
from common import clock
from common.statements import FoundByValue

_SQL = f"SELECT session_data FROM {Session._meta.db_table} WHERE session_key = %s AND expire_date > %s"  # noqa: S608  the name of a table of ours

#: By key, with their site.
_PEOPLE = FoundByValue(lambda key: User.objects.select_related("site").filter(pk=key), example=-1)


class SessionStore(db.SessionStore):
    """Django's own, but for reading: to write the statement takes Django several times as long as the database to answer it."""

    def load(self) -> dict[str, Any]:
        connection = connections[router.db_for_read(Session)]
        with connection.cursor() as cursor:
            cursor.execute(_SQL, [self.session_key, connection.ops.adapt_datetimefield_value(clock.now())])
            found = cursor.fetchone()
        if found is None:
            self._session_key = None
            return {}
        return dict(self.decode(found[0]))


class PersonBackend(ModelBackend):
    """A person together with their site, which every answer asks about."""

    def get_user(self, user_id: int) -> User | None:
        user = _PEOPLE.first(user_id)
        return user if user is not None and self.user_can_authenticate(user) else None
