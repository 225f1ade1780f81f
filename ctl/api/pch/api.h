// What nearly every file of this folder includes, read by the compiler once: half of the folder's
// build time otherwise. A file still includes what it uses.
#include "ctl/daemon/daemon.h"

#include <nlohmann/json.hpp>
