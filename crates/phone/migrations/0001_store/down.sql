-- A phone's store is never taken back to before its first table.
DROP TABLE standing;
DROP TABLE author;
DROP TABLE actor;
DROP TABLE outbox;
DROP TABLE document;
DROP TABLE scope;
DROP TABLE grid;
DROP TABLE identity;
