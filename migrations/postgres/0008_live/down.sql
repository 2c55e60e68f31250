DROP INDEX change_received;
