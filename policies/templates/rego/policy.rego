# A policy in Rego. `input` is the request: input.account.userName, input.client.clientId, input.api.appId,
# input.offered, input.context.time.hour, … The names are those of a case.
package grantd

# Scopes that remain. Others: allow (true or false), deny (a set of reasons), ttl_seconds, claims, note.
scopes contains scope if {
    some scope in input.offered
    not dropped(scope)
}

dropped(scope) if {
    some prefix in data.drop
    startswith(scope, prefix)
}

# Any reason denies; all of them are told to the caller.
deny contains "this client is suspended" if input.client.attributes.suspended == true
