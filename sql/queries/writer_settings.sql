-- Who writes, and from which branch office? Of this transaction alone.
select set_config('rowbell.actor', $1, true), set_config('rowbell.branch', $2, true)
