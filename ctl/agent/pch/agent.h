// What nearly every file of this folder includes, read by the compiler once. A file still includes
// what it uses.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "dp/base/log.h"
#include "dp/net/ip_address.h"
