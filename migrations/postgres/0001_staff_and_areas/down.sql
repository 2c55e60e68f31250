-- Removes staff, areas, devices and the audit log.
DROP TABLE audit;
DROP TABLE nonce;
DROP TABLE enrolment;
DROP TABLE device;
DROP TABLE assignment;
DROP TABLE staff;
DROP TABLE area_naming;
DROP TABLE area;
DROP TABLE instance;
