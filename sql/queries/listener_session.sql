-- The listening connection runs one query over and over: plan it once, by index, without compiling it.
set plan_cache_mode = force_generic_plan;
set enable_seqscan = off;
set jit = off;
