// A grantd policy: what it says of itself, a look at its settings, and one function.
// It has no clock, no network and no memory of earlier requests. The types are in wit/policy.wit.

const schema = {
  type: "object",
  required: ["drop"],
  additionalProperties: false,
  properties: {
    drop: { type: "array", items: { type: "string" }, description: "Scopes that no token carries; * stands for anything" },
  },
};

/** The settings, or an error that says where they are wrong. */
function parse(text) {
  const settings = JSON.parse(text);
  for (const member of Object.keys(settings)) {
    if (!(member in schema.properties)) throw `settings: unknown member ${member}`;
  }
  if (!Array.isArray(settings.drop) || !settings.drop.every((pattern) => typeof pattern === "string")) {
    throw "settings.drop: a list of patterns is needed, for instance [\"admin:*\"]";
  }
  return settings;
}

/** Whether a pattern matches a whole scope. */
function matches(pattern, scope) {
  const parts = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(scope);
}

/**
 * The request with its numbers as they were sent: componentize-qjs 0.4.5 hands over those above 2147483647 as negative
 * ones. That is unixSeconds from 2038-01-19 on, and lifetimes of 69 years and more.
 */
function unsigned(request) {
  request.ttlSeconds >>>= 0;
  const { time } = request.context;
  if (time) time.unixSeconds >>>= 0;
  return request;
}

export const evaluator = {
  describe() {
    return {
      name: "{{name}}",
      version: "0.1.0",
      description: "Drops the scopes that a list of patterns names",
      settingsSchema: JSON.stringify(schema),
      // Inputs that change from request to request, for instance { tag: "time", val: "hour" }.
      inputs: [],
    };
  },

  validateSettings(text) {
    parse(text);
  },

  evaluate(request) {
    const { settings, offered } = unsigned(request);
    const { drop } = parse(settings);
    const scopes = offered.filter((scope) => !drop.some((pattern) => matches(pattern, scope)));
    if (scopes.length === 0 && offered.length > 0) {
      return {
        tag: "deny",
        val: { code: "nothing-left", reason: "every scope that was asked for is dropped by this policy" },
      };
    }
    return { tag: "permit", val: { scopes, ttlSeconds: undefined, claims: undefined, note: undefined } };
  },
};
