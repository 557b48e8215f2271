"""What rooms above may listen to; batches itself knows none of them."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent inside the transaction in which a batch's state changes: batch (Batch), happening (BatchHappening), at (datetime).
batch_changed = Signal()

#: Sent inside the transaction in which items are kept aside: batch_id (UUID), items (list[BatchItem]).
items_quarantined = Signal()
