#include "ctl/cli/version.h"

namespace fairlead::cli {

std::string_view version() {
    return FAIRLEAD_VERSION;
}

}  // namespace fairlead::cli
