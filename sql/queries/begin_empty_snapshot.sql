-- The same over no table at all.
begin isolation level repeatable read read only
