-- What pages show: the newest settlements, and how many of one day.
create index settlements_settled on settlements (settled_at);
