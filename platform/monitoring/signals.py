"""What other rooms may listen to, such as whoever sends messages out."""

from __future__ import annotations

from django.dispatch import Signal

#: Both are sent inside the transaction that makes them true. Arguments: alert (monitoring.models.Alert).
alert_raised = Signal()
alert_resolved = Signal()
