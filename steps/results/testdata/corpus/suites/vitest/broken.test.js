import assert from "node:assert"; import { describe, it } from "vitest";
require_("nothing");
describe("never reached", () => { it("is not run", () => {}); });
