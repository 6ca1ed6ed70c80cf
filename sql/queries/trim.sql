-- Delete what outlived the log it speaks of.
select rowbell.trim()
