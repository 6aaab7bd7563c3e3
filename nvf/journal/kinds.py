"""What happens in a sweep: one dataclass for each kind of event, as `nvf.journal.events` writes and reads them.

Whatever depends on the clock or the machine stands in `t` and `clock`, so that two journals of the same sweep are equal
but for those two keys. A field with a default is missing in the journals of some older version of nvf.
"""

from __future__ import annotations

from nvf.params import Value

Parameters = dict[str, Value]
"""Name -> value of a system's parameters, flattened."""
