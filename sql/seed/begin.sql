-- What the statements of a seed share, for the length of its transaction.
--
-- Everything is drawn by hashing words and numbers, not by random(): a draw depends on what it is for and on nothing
-- else, so the same shop comes out whatever order the planner makes rows in, and a file can be changed without
-- changing the others. Only dates move, because they are counted from today.
set local rowbell.actor = 'seed';
-- Compiling these statements takes longer than running them: 1 s of 2 for the orders.
set local jit = off;

-- From 0 up to but not including 1.
create function pg_temp.draw(what text, number bigint) returns double precision
    language sql immutable
    return (hashtextextended(what || ' ' || number, 0) & 4294967295)::double precision / 4294967296;

create function pg_temp.pick(what text, number bigint, list text[]) returns text
    language sql immutable
    return list[1 + floor(pg_temp.draw(what, number) * cardinality(list))::integer];

-- A key of the shape of a random uuid.
create function pg_temp.key(what text, number bigint) returns uuid
    language sql immutable
    return overlay(overlay(
        encode(substring(sha256(convert_to(what || ' ' || number, 'UTF8')) for 16), 'hex')
        placing '4' from 13) placing 'a' from 17)::uuid;

create function pg_temp.first_name(what text, number bigint) returns text
    language sql immutable
    return pg_temp.pick(what || ' first name', number, '{
        Abigail,Adam,Aisha,Alan,Alice,Amelia,Andrew,Anna,Arthur,Beatrice,Ben,Bethan,Callum,Catherine,Charlotte,Chloe,
        Claire,Daniel,David,Deepa,Dylan,Eleanor,Emily,Emma,Ewan,Farah,Fiona,Frank,Gareth,George,Grace,Hannah,Harry,
        Helen,Imran,Isabel,Jack,James,Jasmine,Joan,John,Joseph,Karen,Kate,Leah,Lewis,Lucy,Luke,Lydia,Mark,Martha,
        Matthew,Megan,Mohammed,Morgan,Naomi,Nia,Nicholas,Nina,Oliver,Olivia,Owen,Patrick,Paul,Peter,Priya,Rachel,
        Rebecca,Rhys,Robert,Rosie,Ruth,Sam,Sarah,Sean,Simon,Sophie,Stephen,Susan,Tariq,Thomas,Tom,Victoria,William,
        Yasmin,Zoe}');

create function pg_temp.last_name(what text, number bigint) returns text
    language sql immutable
    return pg_temp.pick(what || ' last name', number, '{
        Ahmed,Allen,Atkins,Bailey,Baker,Barnes,Begum,Bennett,Bishop,Booth,Bowen,Brooks,Burton,Butler,Carter,Chapman,
        Clarke,Cole,Collins,Cooper,Cox,Davies,Dawson,Dixon,Doyle,Edwards,Ellis,Evans,Fisher,Fletcher,Foster,Fox,Gibson,
        Gill,Graham,Grant,Green,Griffiths,Hall,Harris,Harvey,Hill,Holmes,Hopkins,Howells,Hughes,Hussain,Jenkins,
        Johnson,Jones,Kaur,Kelly,Khan,King,Knight,Lawrence,Lewis,Lloyd,Marshall,Mason,Matthews,Mills,Mitchell,Moore,
        Morgan,Morris,Murphy,Murray,O''Brien,Owen,Palmer,Parker,Parry,Patel,Payne,Pearce,Phillips,Powell,Price,Rees,
        Reid,Reynolds,Richards,Roberts,Rogers,Rose,Rowe,Russell,Saunders,Shah,Shaw,Simpson,Singh,Smith,Stevens,Taylor,
        Thomas,Tucker,Turner,Walker,Ward,Watkins,Watts,Webb,White,Williams,Wilson,Wood,Wright,Young}');

create function pg_temp.street(what text, number bigint) returns text
    language sql immutable
    return 1 + floor(140 * pg_temp.draw(what || ' house', number)) || ' ' || pg_temp.pick(what || ' street', number, '{
        Abbey Road,Albert Road,Alma Street,Bath Road,Bridge Street,Canal Walk,Castle Street,Cathedral Road,Chapel Lane,
        Church Street,Clifton Hill,College Road,Cowbridge Road,Crescent Gardens,Dock Street,Elm Grove,Fairfield Avenue,
        Ferry Lane,Gloucester Road,Greenway,Grove Terrace,Harbour Way,High Street,Hill View,King Street,Lansdown Road,
        London Road,Magdalen Road,Manor Close,Market Place,Mill Lane,North Parade,Northfield Road,Old Quarry Road,
        Orchard Street,Park Row,Penarth Road,Priory Avenue,Queen Street,Quay Hill,Richmond Terrace,River View,
        Sandford Walk,School Lane,Southernhay,Station Road,Station Approach,Sycamore Drive,The Avenue,Topsham Road,
        Union Street,Vicarage Lane,Victoria Road,Wells Way,Wellington Street,West Street,Whiteladies Road,
        Windsor Place,Woodland Rise,York Place}');

-- One of the numbers kept free for stories.
create function pg_temp.phone(what text, number bigint) returns text
    language sql immutable
    return '01632 960' || to_char(floor(1000 * pg_temp.draw(what || ' phone', number)), 'FM000');

create function pg_temp.address_of(person text, number bigint) returns text
    language sql immutable
    return translate(lower(person), ' ''', '.') || number || '@example.org';

-- Days on which the shops are open: not on Sundays.
create function pg_temp.open_days(first date, last date) returns setof date
    language sql immutable
    begin atomic
        select day::date
        from generate_series(first::timestamp, last::timestamp, interval '1 day') day
        where extract(isodow from day) < 7;
    end;
