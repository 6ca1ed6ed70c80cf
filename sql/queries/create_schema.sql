create schema if not exists rowbell
