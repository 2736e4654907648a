/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/applets.h"

/* What `postern` can do. A command is found here or it does not exist. */
/* clang-format off */
const struct pn_command *const pn_command_tables[] = {
    pn_login_commands,
    pn_status_commands,
    pn_project_commands,
    pn_identity_commands,
    pn_identity_auth_commands,
    pn_identity_check_commands,
    pn_env_commands,
    pn_folder_commands,
    pn_secret_commands,
    pn_run_commands,
    pn_dynamic_secret_commands,
    pn_pam_commands,
    pn_session_commands,
    pn_kube_commands,
    pn_shell_commands,
    pn_gateway_commands,
    pn_gateway_pool_commands,
    pn_relay_commands,
    pn_server_commands,
    pn_job_commands,
    pn_user_commands,
    NULL,
};
/* clang-format on */
