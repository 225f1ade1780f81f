// The version of this lbctl, from the top meson.build.
#pragma once

#include <string_view>

namespace fairlead::cli {

[[nodiscard]] std::string_view version();

}  // namespace fairlead::cli
