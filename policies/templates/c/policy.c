// A grantd policy: what it says of itself, a look at its settings, and one function.
// It has no clock, no network and no memory of earlier requests. bindings/policy.h is made from wit/policy.wit; after a
// change there: wit-bindgen c wit --world policy --out-dir bindings
#include <stdlib.h>
#include <string.h>

#include "bindings/policy.h"

// Scopes that no token carries: those that begin with one of these. Settings would be JSON text; this policy has none,
// and so needs no JSON parser.
static const char *const DROPPED[] = {"admin:"};

// What is returned is freed by the bindings, so texts are copies.
static void set(policy_string_t *text, const char *value) { policy_string_dup(text, value); }

void exports_grantd_policy_evaluator_describe(exports_grantd_policy_evaluator_manifest_t *manifest) {
    set(&manifest->name, "{{name}}");
    set(&manifest->version, "0.1.0");
    set(&manifest->description, "Drops the scopes of administration");
    set(&manifest->settings_schema, "{\"type\":\"object\",\"additionalProperties\":false}");
    // Inputs that change from request to request go in here.
    manifest->inputs.ptr = NULL;
    manifest->inputs.len = 0;
}

bool exports_grantd_policy_evaluator_validate_settings(exports_grantd_policy_evaluator_json_t *settings,
                                                       policy_string_t *error) {
    bool fits = settings->len == 2 && memcmp(settings->ptr, "{}", 2) == 0;
    policy_string_free(settings);
    if (!fits) set(error, "settings: there is nothing to set; leave them at {}");
    return fits;
}

static bool is_dropped(const policy_string_t *scope) {
    for (size_t i = 0; i < sizeof DROPPED / sizeof *DROPPED; i++) {
        size_t length = strlen(DROPPED[i]);
        if (scope->len >= length && memcmp(scope->ptr, DROPPED[i], length) == 0) return true;
    }
    return false;
}

void exports_grantd_policy_evaluator_evaluate(exports_grantd_policy_evaluator_request_t *request,
                                              exports_grantd_policy_evaluator_decision_t *decision) {
    size_t offered = request->offered.len, kept = 0;
    policy_string_t *scopes = malloc((offered ? offered : 1) * sizeof *scopes);
    if (scopes == NULL) abort();
    for (size_t i = 0; i < offered; i++) {
        const policy_string_t *scope = &request->offered.ptr[i];
        if (!is_dropped(scope)) policy_string_dup_n(&scopes[kept++], (const char *)scope->ptr, scope->len);
    }
    exports_grantd_policy_evaluator_request_free(request);
    memset(decision, 0, sizeof *decision);
    if (kept == 0 && offered > 0) {
        free(scopes);
        decision->tag = GRANTD_POLICY_TYPES_DECISION_DENY;
        set(&decision->val.deny.code, "nothing-left");
        set(&decision->val.deny.reason, "every scope that was asked for is dropped by this policy");
        return;
    }
    decision->tag = GRANTD_POLICY_TYPES_DECISION_PERMIT;
    decision->val.permit.scopes.ptr = scopes;
    decision->val.permit.scopes.len = kept;
}
