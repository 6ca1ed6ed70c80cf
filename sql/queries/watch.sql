select rowbell.watch($1::text::regclass, $2, $3, $4, $5, $6, $7, $8)
