-- Version 13: the indexes of names are filled a moment behind.

CREATE TABLE generation_before AS SELECT * FROM generation;
DROP TABLE generation;
CREATE TABLE generation (
    only_row         INTEGER PRIMARY KEY CHECK (only_row = 1),
    value            INTEGER NOT NULL,
    api_tokens       INTEGER NOT NULL,
    accounts         INTEGER NOT NULL,
    clients          INTEGER NOT NULL,
    grants           INTEGER NOT NULL,
    accounts_indexed INTEGER NOT NULL,
    clients_indexed  INTEGER NOT NULL
) STRICT;
INSERT INTO generation (only_row, value, api_tokens, accounts, clients, grants, accounts_indexed, clients_indexed)
    SELECT 1, value, api_tokens, accounts, clients, grants, (SELECT COALESCE(max(seq), 0) FROM service_account),
    (SELECT COALESCE(max(seq), 0) FROM machine_to_machine) FROM generation_before;
DROP TABLE generation_before;
DROP TRIGGER service_account_gram_ins;
DROP TRIGGER service_account_gram_upd;
DROP TRIGGER service_account_gram_del;
DROP TRIGGER machine_to_machine_gram_ins;
DROP TRIGGER machine_to_machine_gram_upd;
DROP TRIGGER machine_to_machine_gram_del;
CREATE TRIGGER service_account_seq BEFORE INSERT ON service_account
    WHEN NEW.seq > 0 AND NEW.seq <= (SELECT accounts_indexed FROM generation) BEGIN
    SELECT RAISE(FAIL, 'a new row of service_account comes last: leave out seq');
END;
CREATE TRIGGER service_account_gram_upd AFTER UPDATE ON service_account
    WHEN (NEW.user_name IS NOT OLD.user_name OR NEW.display_name IS NOT OLD.display_name)
    AND OLD.seq <= (SELECT accounts_indexed FROM generation) BEGIN
    INSERT INTO service_account_gram (service_account_gram, rowid, user_name, display_name)
        VALUES ('delete', OLD.seq, OLD.user_name, OLD.display_name);
    INSERT INTO service_account_gram (rowid, user_name, display_name) VALUES (NEW.seq, NEW.user_name, NEW.display_name);
END;
CREATE TRIGGER service_account_gram_del AFTER DELETE ON service_account BEGIN
    INSERT INTO service_account_gram (service_account_gram, rowid, user_name, display_name)
        SELECT 'delete', OLD.seq, OLD.user_name, OLD.display_name WHERE OLD.seq <= (SELECT accounts_indexed FROM generation);
    UPDATE generation SET accounts_indexed = min(accounts_indexed, (SELECT COALESCE(max(seq), 0) FROM service_account));
END;
CREATE TRIGGER machine_to_machine_seq BEFORE INSERT ON machine_to_machine
    WHEN NEW.seq > 0 AND NEW.seq <= (SELECT clients_indexed FROM generation) BEGIN
    SELECT RAISE(FAIL, 'a new row of machine_to_machine comes last: leave out seq');
END;
CREATE TRIGGER machine_to_machine_gram_upd AFTER UPDATE ON machine_to_machine
    WHEN (NEW.client_id IS NOT OLD.client_id OR NEW.display_name IS NOT OLD.display_name)
    AND OLD.seq <= (SELECT clients_indexed FROM generation) BEGIN
    INSERT INTO machine_to_machine_gram (machine_to_machine_gram, rowid, client_id, display_name)
        VALUES ('delete', OLD.seq, OLD.client_id, OLD.display_name);
    INSERT INTO machine_to_machine_gram (rowid, client_id, display_name) VALUES (NEW.seq, NEW.client_id, NEW.display_name);
END;
CREATE TRIGGER machine_to_machine_gram_del AFTER DELETE ON machine_to_machine BEGIN
    INSERT INTO machine_to_machine_gram (machine_to_machine_gram, rowid, client_id, display_name)
        SELECT 'delete', OLD.seq, OLD.client_id, OLD.display_name WHERE OLD.seq <= (SELECT clients_indexed FROM generation);
    UPDATE generation SET clients_indexed = min(clients_indexed, (SELECT COALESCE(max(seq), 0) FROM machine_to_machine));
END;
