-- Who writes, and from which branch office? Of this transaction alone.
set_config('rowbell.actor', {actor}, true) is not null and set_config('rowbell.branch', {branch}, true) is not null
