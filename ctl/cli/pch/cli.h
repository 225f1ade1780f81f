// What nearly every file of this folder includes, read by the compiler once. A file still includes
// what it uses.
#include <string>
#include <vector>

#include <fmt/format.h>

#include "ctl/cli/commands.h"

#include <nlohmann/json.hpp>
