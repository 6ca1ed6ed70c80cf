-- Go a step on the way to the next slot, if one can be gone. Where to?
select rowbell.turn()
