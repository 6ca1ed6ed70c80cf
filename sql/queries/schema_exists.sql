-- Is there a history of migrations?
select to_regclass('rowbell.migration') is not null
