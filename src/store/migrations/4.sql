-- What an apply made, and under which name: a later apply under that name may prune it, and nothing else.
CREATE TABLE managed (
    id            TEXT PRIMARY KEY CHECK (length(id) = 22),
    resource_type TEXT NOT NULL
        CHECK (resource_type IN ('ServiceAccount', 'MachineToMachine', 'Credential', 'Api', 'Grant', 'Policy')),
    owner         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX managed_owner ON managed (owner, resource_type);

-- The triggers that let go of what is gone, however it went.
CREATE TRIGGER service_account_unmanage AFTER DELETE ON service_account BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER machine_to_machine_unmanage AFTER DELETE ON machine_to_machine BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER credential_unmanage AFTER DELETE ON credential BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER api_unmanage AFTER DELETE ON api BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER access_grant_unmanage AFTER DELETE ON access_grant BEGIN DELETE FROM managed WHERE id = OLD.id; END;
CREATE TRIGGER policy_unmanage AFTER DELETE ON policy BEGIN DELETE FROM managed WHERE id = OLD.id; END;
