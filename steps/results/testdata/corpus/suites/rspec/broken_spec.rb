require "nothing_of_this_name"
RSpec.describe("never") { it("runs") {} }
