select rowbell.unwatch($1::text::regclass)
